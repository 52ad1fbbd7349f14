"""The report, one HTML page: each section makes facts of the findings, and its template in templates/ the markup."""
