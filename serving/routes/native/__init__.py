"""The routes of llama.cpp's server, for editors and game engines that speak its dialect."""
