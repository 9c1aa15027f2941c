"""Views of a finished recording. Nothing here touches a network."""
