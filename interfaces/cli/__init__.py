"""The command line, `counterfoil`: one module a command."""
