"""What people have shown, in the back office: everything can be read, services alone change it."""

from kyc.admin import applications

__all__ = ["applications"]
