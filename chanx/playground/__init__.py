"""What a page for trying consumers out asks of a Django project; put `chanx.playground.urls` among its URLs."""
