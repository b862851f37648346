"""What a GPU gives, beside the CPU: the same values, and what they cost.

``rows``       one line of the table, and whether it is as wanted
``sizes``      how much is measured
``agreement``  values of the device against those of the CPU
``speed``      ratios to the bare forward pass on the device, throughput and memory
"""
