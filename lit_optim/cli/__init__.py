"""The console command ``lit-optim``: one verb a file, each with its arguments, its data and how they are shown."""
