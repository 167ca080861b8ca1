"""What a machine without the internet needs: toolchain, images, emulator, stand-in plugins, bootstrap."""
