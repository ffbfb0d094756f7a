"""An optimizer's state dict on its way in: matched by parameter name, and compared before anything is loaded."""
