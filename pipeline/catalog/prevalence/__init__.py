"""The prevalence report, one HTML page: what a set of images holds, by those who scored it."""
