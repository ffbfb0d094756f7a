"""What tests share: problems, references, processes, apps. It holds no test."""
