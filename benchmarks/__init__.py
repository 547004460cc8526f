"""How fast dlcheat is beside torch."""
