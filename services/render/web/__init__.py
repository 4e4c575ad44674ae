"""What render serves over HTTP: the site, includes, answers and previews."""
