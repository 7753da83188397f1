"""Parse model replies: any text in, checked values out."""
