"""Nothing of it is touched before a layer gives."""
