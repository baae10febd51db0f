"""A page in the browser on which two photos are matched: `hndesc app`."""
