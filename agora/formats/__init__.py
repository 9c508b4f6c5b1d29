"""How Django itself writes dates, which is in the back office: one form in every language, as in titles."""
