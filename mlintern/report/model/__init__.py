"""The report as typed objects, which every view is drawn from."""
