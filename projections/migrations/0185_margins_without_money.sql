-- Of charges that neither earned nor cost anything no lines are kept; folded from zero again.
TRUNCATE {schema}.margin_grants, {schema}.margin_lines, {schema}.tasks, {schema}.task_amounts;
DELETE FROM {schema}.projection_positions WHERE projection = 'margins';
