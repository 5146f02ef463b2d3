"""The stand-in's own tests: its rules by plain HTTP, and official clients as witnesses."""
