"""The composition root: it alone knows files, standard input and every concrete class."""
