"""The product: accounts, collections, photos, faces and what the model said of them; pages, API and admin for it."""
