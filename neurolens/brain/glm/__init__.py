"""Responses from time series: ``designs`` predicts series from events, ``least_squares`` fits them.

``grouping`` says which events share a response.
"""
