"""One shape a file: ``shapes/cosine.py`` holds the factory ``cosine``; the file's name is the name in a config."""
