"""Documents on paper: invoices, receipts and statements as PDF."""
