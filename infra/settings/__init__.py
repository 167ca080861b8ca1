"""The settings of a stack: what `Pulumi.<stack>.yaml` may say, read once, checked whole, explained when wrong."""
