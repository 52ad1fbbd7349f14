"""The explorer: static pages of a catalog, made from its folder alone. A page makes facts of the findings, its template the markup."""
