"""What people see: figures and words, charts, the terminal table and the HTML report. Nothing is computed here."""
