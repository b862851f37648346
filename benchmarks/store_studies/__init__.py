"""Ridge from a store of features.

``problem``  the store and the responses of a large set, simulated
``peers``    one op and one region beside scikit-learn, himalaya and features in memory
"""
