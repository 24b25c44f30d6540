"""From a quantity to an amount: pure, exact, and in constant time whatever came before."""
