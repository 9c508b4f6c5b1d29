"""What people have shown, in the back office: everything can be read, services alone change it."""

from kyc.admin import applications, cases, corrections, documents, limits, screening

__all__ = ["applications", "cases", "corrections", "documents", "limits", "screening"]
