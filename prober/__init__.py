"""prober watches a WhatsApp Ordering System and tells the truth about it."""

__version__ = "0.1.0"
