"""Check an optimizer's state dict before it is loaded, and match it to the parameters by their names.

`guard` puts the check before every load of an optimizer. `compatible_state` is the check itself, the only place where a
state dict is accepted or rejected; it uses `match` (which saved parameter is which), `param_state` (the saved state of
one parameter) and `first_state` (what the class keeps for a parameter). `translated` comes before it where
another class has saved the state.
"""
