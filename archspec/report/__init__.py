"""How facts are printed: tables as text, Markdown, LaTeX and HTML, and numbers as people read them."""
