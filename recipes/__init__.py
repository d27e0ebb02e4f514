"""The gallery: recipes that come with the package, one file a control, as data; `engine.gallery` finds them."""
