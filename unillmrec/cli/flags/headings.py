"""The headings under which help lists flags."""

CATALOG = "The catalog"
PERSON = "The person"
MODEL = "The model"
WALK = "The walk"
BUDGET = "The budget"
