"""The product: accounts, collections, photos, faces, what the model said of them, and the pages, API and admin for it."""
