"""Reading and writing: images, feature files, atomic files."""
