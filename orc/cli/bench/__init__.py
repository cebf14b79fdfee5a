"""The command ``orc bench``: what each tier costs, side by side."""
