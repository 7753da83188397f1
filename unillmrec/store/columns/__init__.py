"""The attributes of all items by column, and the selections made from them."""
