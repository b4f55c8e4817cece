"""The cases of the domain `com.microsoft`, one table a theme. A table's `cases` gives every case of its operators."""
