"""How the flow and the readers treat each kind of element: one file a kind, and the registry of all."""
