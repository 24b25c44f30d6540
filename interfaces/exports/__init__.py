"""Exports: the journal and the read models as files that other programs take in.

A file is made of entries or rows up to a position of the log, in a fixed order, in parts, so
that memory stays flat and the same position gives the same bytes.
"""
