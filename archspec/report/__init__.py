"""Facts as text: tables for the terminal, Markdown and LaTeX."""
