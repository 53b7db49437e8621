"""Tables as folders: what defs.yaml, contract.yaml and transform.sql say together, checked when they load."""
