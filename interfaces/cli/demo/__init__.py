"""The demo: "Lumen", an LLM product, whose months of traffic are drawn from a seed.

catalog      models and their public prices
customers    who they are, how much they use, how they pay
traffic      when requests come
requests     what a request is: model, tokens, price
story        what happens on named days
prices, plans, spend_control: what is sold, who has a plan, limits and top-ups
simulation   the ledger is fed, batch by batch, and answers are acted upon
report       the figures, and what to try
command      `counterfoil demo`
"""
