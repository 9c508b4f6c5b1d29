"""What is done with the audit trail besides writing it: anchors, exports, the trail of settings."""
