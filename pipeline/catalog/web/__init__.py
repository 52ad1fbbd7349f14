"""What the pages of a catalog share: charts, heat maps, colours, and the libraries that draw. A page asks for nothing."""
