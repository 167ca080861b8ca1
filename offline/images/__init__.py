"""Container images from Debian packages: base, postgres, redis, nginx, web-next."""
