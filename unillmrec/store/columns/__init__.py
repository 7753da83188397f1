"""The attributes of all items by column, and the selections that predicates make from them."""
