"""What people have shown, in the back office: everything can be read, services alone change it."""

from kyc.admin import applications, limits

__all__ = ["applications", "limits"]
