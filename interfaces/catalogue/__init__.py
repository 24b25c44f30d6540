"""Prices as files: written by people, compared with the ledger, put in force.

templates   today's list prices of language models, from the genai-prices package
"""
