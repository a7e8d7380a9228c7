"""The words of the system: frozen values, pure rules, and the error tree. Imports pydantic and the standard library."""
