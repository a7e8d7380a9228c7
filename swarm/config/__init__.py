"""What a user or a repository may set, and where the shipped files are. Imports domain only."""
