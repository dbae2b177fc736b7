"""The sentinel: a pinned set of prompts, asked again and again, tells who has changed."""
